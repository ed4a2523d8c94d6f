"""What a user pays for by law or table: periods and their prices, basic charge, network, losses, system operation."""
