"""What a source says: Debezium's envelope, typed rows and the rules for bad ones, source transactions."""
