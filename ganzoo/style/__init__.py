"""One picture in the style of another (neural style transfer)."""
