package firewall

// withMembers adds to networks that cannot be registered the addresses of them that were seen to attack, as entries like
// theirs.
func withMembers(desired []Entry) []Entry {
	var members []Entry
	for _, e := range desired {
		if len(e.Members) == 0 || !e.Prefix.Addr().Is6() {
			continue
		}
		for _, a := range e.Members {
			m := e
			m.Members = nil
			var err error
			if m.Prefix, err = a.Prefix(a.BitLen()); err == nil {
				members = append(members, m)
			}
		}
	}
	if members == nil {
		return desired
	}
	return append(members, desired...)
}
