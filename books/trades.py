"""Trade rows: what each position earned, cost and suffered, from the fills and bars of its book."""
