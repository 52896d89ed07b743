"""Boards as pictures, for TensorBoard and for pages: `scene` lays them out, `raster` makes PNG of it, `svg` SVG."""
