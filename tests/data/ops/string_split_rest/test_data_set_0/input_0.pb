2
  a b  c  2d