package explain

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// mostSeen is how many records of an address are looked through, the newest first.
const mostSeen = 1000

// Unlisted is what is known of an address that is not on the blacklist and never was.
type Unlisted struct {
	Address      string           `json:"address"`
	Blocked      bool             `json:"blocked"` // false
	Entries      []BlacklistEntry `json:"entries"` // none
	Records      int              `json:"records"` // that are stored of it as source, at most 1000, the newest
	More         bool             `json:"more"`    // there are more
	Refused      int              `json:"refused"` // of Records; of those of earlier versions it is not known
	Answered     int              `json:"answered"`
	LateAnswers  int              `json:"late_answers"` // refused, as late answers to sessions that ours opened; not among Refused
	Destinations int              `json:"destinations"` // distinct addresses among Records
	Ports        int              `json:"ports"`        // distinct destination ports
	FirstSeen    time.Time        `json:"first_seen,omitzero"`
	LastSeen     time.Time        `json:"last_seen,omitzero"`
	WhyNot       string           `json:"why_not"` // why it is not blocked, as far as is known
}

// OfUnlisted gathers what the store knows of an address or network without any entry.
func OfUnlisted(ctx context.Context, st *store.Store, guard *detect.Guard, prefix netip.Prefix) (*Unlisted, error) {
	u := &Unlisted{Address: detect.AddressText(prefix), Entries: []BlacklistEntry{}}
	destinations, ports := map[netip.Addr]bool{}, map[uint16]bool{}
	err := st.Records(ctx, store.RecordFilter{Src: []netip.Prefix{prefix}, Limit: mostSeen + 1}, func(r *store.Record) error {
		if u.Records == mostSeen {
			u.More = true
			return nil
		}
		u.Records++
		u.FirstSeen, u.LastSeen = r.Time, cmp.Or(u.LastSeen, r.Time)
		switch r.Outcome {
		case store.Refused:
			u.Refused++
		case store.Answered:
			u.Answered++
		case store.LateAnswer:
			u.LateAnswers++
		}
		destinations[r.Dst], ports[r.DstPort] = true, true
		return nil
	})
	if err != nil {
		return nil, err
	}
	u.Destinations, u.Ports = len(destinations), len(ports)
	switch refusal := guard.Check(prefix); {
	case refusal != nil:
		u.WhyNot = "it may never be blocked: " + refusal.Error()
	case u.Records == 0:
		u.WhyNot = "no record of it is stored"
	case u.Refused == 0 && u.LateAnswers > 0:
		u.WhyNot = "what was refused of it are late answers to sessions that ours opened, which are no attack"
	case u.Refused == 0 && u.Answered == u.Records:
		u.WhyNot = "its sessions were answered, and none refused"
	default:
		u.WhyNot = "no rule found enough within its window"
	}
	return u, nil
}
