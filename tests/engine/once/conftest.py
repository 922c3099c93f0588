"""Nothing is shared here but the folder's place on the path: expected values come from stock backtrader."""
