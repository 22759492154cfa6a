exec engine
