"""Money and memory: fee schedules, cash by currency, trades, the event journal and the trial ledger."""
