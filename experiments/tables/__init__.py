"""Tables: YAML files of rows, read into experiments."""
