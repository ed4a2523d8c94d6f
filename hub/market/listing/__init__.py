"""Listing trading (挂牌): announce, list, take, verify, publish; state + event -> state + outcomes."""
