"""Agency purchase and prices of users without a contract: pool price and carry, surcharges, transfers (166 to 171)."""
