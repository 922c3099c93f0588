"""What the gateway serves: contracts, the tape that is replayed, history, streams, pacing, clocks, and a sample."""
