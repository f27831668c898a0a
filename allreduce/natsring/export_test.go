package natsring

// Subscriptions is how many there are at a server: four of its own rank for each ring, before it greets anybody.
func (s *Server) Subscriptions() int { return int(s.nats.NumSubscriptions()) }
