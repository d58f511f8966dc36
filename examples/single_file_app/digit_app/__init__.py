"""An app that contains its model."""
