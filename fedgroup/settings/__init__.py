"""From YAML and `--set` to settings, and settings that can be compared and remembered."""
