"""Stage, prove and publish artifacts; find, describe and verify what was published."""
