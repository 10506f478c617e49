"""A SuperLink and SuperNodes on this machine, in containers, or across sites."""
