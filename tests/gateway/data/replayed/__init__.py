"""What the tests of the data room share."""
