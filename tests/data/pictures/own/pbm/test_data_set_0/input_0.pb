
J
P4 7 3
TTT