"""One module per noun of the API; a route reads, calls and answers."""
