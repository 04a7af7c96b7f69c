package panosim

// tell reports changes, and has the HA peer follow them. The caller holds no lock: who is told may call the firewall.
func (s *Sim) tell(changes []Change) {
	s.seat.Load().mirror(changes)
	if s.opts.OnChange == nil {
		return
	}
	for _, c := range changes {
		s.opts.OnChange(c)
	}
}
