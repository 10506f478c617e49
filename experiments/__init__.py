"""The recipes: experiments, tables, reports and the command line."""
