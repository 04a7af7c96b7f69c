package traffic

import (
	"fmt"
	"net/netip"
	"time"
)

// Packet is the first packet of a new session, as far as the simulated policy looks at it.
type Packet struct {
	VSys     string // "" is the first
	From, To string // zones; interfaces, routes and address translation are not simulated

	Source, Destination         netip.Addr
	SourcePort, DestinationPort uint16
	Protocol                    string // tcp, udp, icmp...; "" is tcp

	// Application is what App-ID would find; "" is guessed from the port, and "unknown-tcp" for want of a guess.
	Application string
	User        string // in the form that User-ID maps it to, as example\somebody

	SourceCountry, DestinationCountry string // only for the log

	At time.Time // when it arrives, which schedules of rules go by; zero is now, by the firewall's clock

	// Short: the session is over at once, so an allowed one is logged at its end and not in the session table.
	Short bool
	// Threat is an attack that a vulnerability protection profile would find in the session; nil is none.
	Threat *Threat
}

// Threat is a signature of vulnerability protection.
type Threat struct {
	Name     string
	ID       int
	Severity string // informational, low, medium, high, critical; "" is critical
	Action   string // of the profile: alert, drop, reset-both...; "" is reset-both
	// FromServer: found in what the server answers, so that the log's source may be the victim.
	FromServer bool
}

// Verdict is what became of a Packet; zero: nothing, because no rule was asked.
type Verdict struct {
	Rule    string // that decided; "intrazone-default" or "interzone-default" if none did
	UUID    string // of the rule; "" if it has none
	Action  string // of the rule: allow, deny, drop, reset-client, reset-server, reset-both
	Allowed bool   // Action is allow, and no threat ended the session
	Session uint32 // 0: none was made
	Threat  bool   // a THREAT log was written
	Lines   int    // log lines forwarded, over all servers
}

// Complete fills in what a packet may leave open.
func (p *Packet) Complete() {
	p.Source, p.Destination = p.Source.Unmap().WithZone(""), p.Destination.Unmap().WithZone("")
	if p.Protocol == "" {
		p.Protocol = "tcp"
	}
	if p.Application == "" {
		p.Application = guessApplication(p)
	}
	if p.Threat != nil {
		t := *p.Threat
		if t.Severity == "" {
			t.Severity = "critical"
		}
		if t.Action == "" {
			t.Action = "reset-both"
		}
		p.Threat = &t
	}
}

// ProtocolNumber is that of IP (IANA, "Protocol Numbers"), or 0 for a name that is not known here.
func (p *Packet) ProtocolNumber() int { return protocols[p.Protocol] }

var protocols = map[string]int{
	"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "ospf": 89, "pim": 103, "vrrp": 112,
}

// Full is "Name(ID)", as the CSV form has it.
func (t *Threat) Full() string { return fmt.Sprintf("%s(%d)", t.Name, t.ID) }
