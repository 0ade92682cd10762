
optional