"""An app that carries its model."""
