"""Renewable energy in transition: guaranteed and market volume, mechanism difference, direct supply (181 to 186)."""
