"""Settings, errors, calendar, clock, logging and the records that the layers exchange."""
