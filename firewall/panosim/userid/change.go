package userid

import (
	"net/netip"
	"time"
)

// Action is what happened to a tag of an address.
type Action string

// The actions.
const (
	Registered   Action = "register"   // it is new
	Renewed      Action = "renew"      // it stood and was registered again, its timer begun anew
	Unregistered Action = "unregister" // it was taken off
	Expired      Action = "expire"     // its time was up; noticed at the next call or inspection
	Lost         Action = "lost"       // a restart dropped it
)

// Change is one change of what is registered.
type Change struct {
	Seq     uint64    // order in which changes were made, from 1: concurrent calls may report out of order
	Time    time.Time // by the firewall's clock
	Action  Action
	VSys    string
	Address netip.Prefix // of a range: its first address
	To      netip.Addr   // of a range: its last address; else invalid
	Tag     string
	Timeout time.Duration // as registered; 0: none
	Owner   bool          // by another owner, through Register or Unregister, not over the wire
}
