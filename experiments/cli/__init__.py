"""The commands of `fedgroup` and their options."""
