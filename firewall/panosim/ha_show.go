package panosim

import (
	"fmt"
	"strings"
	"time"

	"activedefense/firewall/panosim/xmltree"
)

// KindHA is the kind of call about the pair.
const KindHA = "high-availability"

// showHA answers "show high-availability state", with the elements and the order of a recorded answer of an
// active/passive pair of virtual firewalls.
func (s *Sim) showHA(*call, *xmltree.Element) answer {
	m := s.seat.Load()
	if m == nil {
		return success("<result><enabled>no</enabled></result>")
	}
	h := m.pair
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	b.WriteString("<result><enabled>yes</enabled><group><mode>Active-Passive</mode><local-info>")
	writeFields(&b, m.localLocked())
	b.WriteString("</local-info><peer-info>")
	m.peer().writePeerLocked(&b)
	b.WriteString("</peer-info><link-monitoring><failure-condition>any</failure-condition><enabled>yes</enabled><groups/></link-monitoring>" +
		"<path-monitoring><virtual-wire/><failure-condition>any</failure-condition><enabled>yes</enabled><vlan/><virtual-router/></path-monitoring>")
	enabled := "yes"
	if h.syncing() == SyncOff {
		enabled = "no"
	}
	fmt.Fprintf(&b, "<running-sync>%s</running-sync><running-sync-enabled>%s</running-sync-enabled></group></result>", h.runningSyncLocked(), enabled)
	return success(b.String())
}

// runningSyncLocked is how the configurations stand to one another, as the firewall says it.
func (h *HA) runningSyncLocked() string {
	switch {
	case h.configLevelLocked():
		return "synchronized"
	case h.syncing() == SyncStuck, h.syncing() == SyncOn && h.queued.Load() > 0:
		return "synchronization in progress"
	}
	return "not synchronized"
}

// priority of the first member is the better one: the lower number.
func (m *seat) priority() string {
	if m == m.pair.members[0] {
		return "90"
	}
	return "100"
}

// seconds since the member entered its state.
func (m *seat) seconds() string {
	return fmt.Sprint(int(m.sim.opts.Now().Sub(m.since) / time.Second))
}

// localLocked lists what a member says of itself.
func (m *seat) localLocked() []field {
	o := m.sim.opts
	fields := []field{
		{"url-compat", "Match"}, {"app-version", "8700-8709"}, {"gpclient-version", "Not Installed"},
		{"build-rel", o.Version}, {"av-compat", "Match"}, {"av-version", "0"}, {"url-version", "0000.00.00.000"},
	}
	fields = append(fields,
		field{"platform-model", o.Model}, field{"vpnclient-compat", "Match"}, field{"ha1-ipaddr", m.address() + "/24"},
		field{"monitor-fail-holdup", "0"}, field{"priority", m.priority()}, field{"preempt-hold", "1"},
		field{"state", string(m.state)}, field{"version", "1"}, field{"promotion-hold", "2000"},
		field{"threat-compat", "Match"}, field{"gpclient-compat", "Match"}, field{"state-sync", "Complete"},
		field{"addon-master-holdup", "500"}, field{"heartbeat-interval", "2000"}, field{"hello-interval", "8000"},
		field{"ha1-port", "management"}, field{"ha1-encrypt-imported", "no"}, field{"mgmt-ip", m.address() + "/24"},
		field{"vpnclient-version", "Not Installed"}, field{"preempt-flap-cnt", "0"}, field{"nonfunc-flap-cnt", "0"},
		field{"threat-version", "8700-8709"}, field{"state-duration", m.seconds()}, field{"max-flaps", "3"},
		field{"ha1-encrypt-enable", "no"}, field{"mgmt-ipv6", ""},
	)
	return append(append(fields, m.lastError()...),
		field{"preemptive", "no"}, field{"mode", "Active-Passive"}, field{"build-compat", "Match"}, field{"app-compat", "Match"})
}

// lastError lists the last trouble, if there was any.
func (m *seat) lastError() []field {
	if m.errorState == "" {
		return nil
	}
	return []field{{"last-error-state", string(m.errorState)}, {"last-error-reason", m.reason}}
}

// writePeerLocked writes what a member says of the other one; of one that is down it knows little.
func (m *seat) writePeerLocked(b *strings.Builder) {
	connection, state := "up", string(m.state)
	if m.down {
		connection, state = "down", "unknown"
	}
	o := m.sim.opts
	fields := []field{
		{"app-version", "8700-8709"}, {"build-rel", o.Version}, {"platform-model", o.Model}, {"priority", m.priority()},
		{"state", state}, {"version", "1"}, {"conn-status", connection}, {"mgmt-ip", m.address() + "/24"},
	}
	writeFields(b, fields)
	fmt.Fprintf(b, "<conn-ha1><conn-status>%s</conn-status><conn-primary>yes</conn-primary>"+
		"<conn-desc>heartbeat status</conn-desc></conn-ha1>", connection)
	writeFields(b, append([]field{{"state-duration", m.seconds()}, {"ha1-ipaddr", m.address()}, {"mgmt-ipv6", ""}}, m.lastError()...))
	writeFields(b, []field{{"preemptive", "no"}, {"mode", "Active-Passive"}})
}

// address is one of documentation for each member: both listen on the same machine, which no pair does.
func (m *seat) address() string {
	if m == m.pair.members[0] {
		return "192.0.2.11"
	}
	return "192.0.2.12"
}

// suspendHA answers "request high-availability state suspend".
func (s *Sim) suspendHA(*call, *xmltree.Element) answer {
	return s.requestHA("suspended", (*HA).Suspend)
}

// resumeHA answers "request high-availability state functional".
func (s *Sim) resumeHA(*call, *xmltree.Element) answer {
	return s.requestHA("functional", (*HA).Resume)
}

// requestHA changes the member's own state. The answer to "suspend" is recorded, that to "functional" is like it.
func (s *Sim) requestHA(what string, change func(*HA, *Sim) error) answer {
	m := s.seat.Load()
	if m == nil {
		return failure(0, "High-availability is not enabled")
	}
	if err := change(m.pair, s); err != nil {
		return failure(0, err.Error())
	}
	return success("<result>Successfully changed HA state to " + what + "</result>")
}

// syncHA answers "request high-availability sync-to-remote running-config", which works also while synchronisation
// is switched off. Both texts are recorded, the code of the error is not.
func (s *Sim) syncHA(*call, *xmltree.Element) answer {
	m := s.seat.Load()
	if m == nil {
		return failure(0, "High-availability is not enabled")
	}
	if m.pair.syncing() == SyncStuck {
		return failure(0, "HA synchronization is already in progress. running configuration will not be synchronized with HA peer")
	}
	if r := m.pair.syncConfig(m); !r.ok {
		return failure(0, r.details[0])
	}
	return success("<result><msg><line>HA synchronization job has been queued on peer. Please check job status on peer.</line></msg></result>")
}
