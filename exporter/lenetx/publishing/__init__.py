"""Stage, prove and publish artifacts; find, describe and verify published ones."""
