package panosim

import (
	"fmt"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
)

// show answers "show high-availability state", with the elements and the order of a recorded answer of an
// active/passive pair of virtual firewalls. It may be called on nil: without a pair.
func (m *seat) show(answer.Request) answer.Answer {
	if m == nil {
		return answer.Success("<result><enabled>no</enabled></result>")
	}
	m.sim.mu.Lock()
	told := m.sim.dialect.PairSerials == dialect.PairSerialsTold
	m.sim.mu.Unlock()
	serial := func(of *seat) (field []answer.Field) {
		if told {
			field = []answer.Field{{Name: "serial-num", Value: of.sim.opts.Serial}}
		}
		return field
	}
	h := m.pair
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	b.WriteString("<result><enabled>yes</enabled><group><mode>Active-Passive</mode><local-info>")
	answer.WriteFields(&b, append(m.localLocked(), serial(m)...))
	b.WriteString("</local-info><peer-info>")
	m.peer().writePeerLocked(&b)
	answer.WriteFields(&b, serial(m.peer()))
	b.WriteString("</peer-info><link-monitoring><failure-condition>any</failure-condition><enabled>yes</enabled><groups/></link-monitoring>" +
		"<path-monitoring><virtual-wire/><failure-condition>any</failure-condition><enabled>yes</enabled><vlan/><virtual-router/></path-monitoring>")
	enabled := "yes"
	if h.syncing() == SyncOff {
		enabled = "no"
	}
	fmt.Fprintf(&b, "<running-sync>%s</running-sync><running-sync-enabled>%s</running-sync-enabled></group></result>", h.runningSyncLocked(), enabled)
	return answer.Success(b.String())
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
func (m *seat) localLocked() []answer.Field {
	o := m.sim.opts
	fields := []answer.Field{
		{Name: "url-compat", Value: "Match"}, {Name: "app-version", Value: "8700-8709"}, {Name: "gpclient-version", Value: "Not Installed"},
		{Name: "build-rel", Value: o.Version}, {Name: "av-compat", Value: "Match"}, {Name: "av-version", Value: "0"}, {Name: "url-version", Value: "0000.00.00.000"},
	}
	fields = append(fields,
		answer.Field{Name: "platform-model", Value: o.Model}, answer.Field{Name: "vpnclient-compat", Value: "Match"}, answer.Field{Name: "ha1-ipaddr", Value: m.address() + "/24"},
		answer.Field{Name: "monitor-fail-holdup", Value: "0"}, answer.Field{Name: "priority", Value: m.priority()}, answer.Field{Name: "preempt-hold", Value: "1"},
		answer.Field{Name: "state", Value: string(m.state)}, answer.Field{Name: "version", Value: "1"}, answer.Field{Name: "promotion-hold", Value: "2000"},
		answer.Field{Name: "threat-compat", Value: "Match"}, answer.Field{Name: "gpclient-compat", Value: "Match"}, answer.Field{Name: "state-sync", Value: "Complete"},
		answer.Field{Name: "addon-master-holdup", Value: "500"}, answer.Field{Name: "heartbeat-interval", Value: "2000"}, answer.Field{Name: "hello-interval", Value: "8000"},
		answer.Field{Name: "ha1-port", Value: "management"}, answer.Field{Name: "ha1-encrypt-imported", Value: "no"}, answer.Field{Name: "mgmt-ip", Value: m.address() + "/24"},
		answer.Field{Name: "vpnclient-version", Value: "Not Installed"}, answer.Field{Name: "preempt-flap-cnt", Value: "0"}, answer.Field{Name: "nonfunc-flap-cnt", Value: "0"},
		answer.Field{Name: "threat-version", Value: "8700-8709"}, answer.Field{Name: "state-duration", Value: m.seconds()}, answer.Field{Name: "max-flaps", Value: "3"},
		answer.Field{Name: "ha1-encrypt-enable", Value: "no"}, answer.Field{Name: "mgmt-ipv6", Value: ""},
	)
	return append(append(fields, m.lastError()...),
		answer.Field{Name: "preemptive", Value: "no"}, answer.Field{Name: "mode", Value: "Active-Passive"}, answer.Field{Name: "build-compat", Value: "Match"}, answer.Field{Name: "app-compat", Value: "Match"})
}

// lastError lists the last trouble, if there was any.
func (m *seat) lastError() []answer.Field {
	if m.errorState == "" {
		return nil
	}
	return []answer.Field{{Name: "last-error-state", Value: string(m.errorState)}, {Name: "last-error-reason", Value: m.reason}}
}

// writePeerLocked writes what a member says of the other one; of one that is down it knows little.
func (m *seat) writePeerLocked(b *strings.Builder) {
	connection, state := "up", string(m.state)
	if m.down {
		connection, state = "down", "unknown"
	}
	o := m.sim.opts
	fields := []answer.Field{
		{Name: "app-version", Value: "8700-8709"}, {Name: "build-rel", Value: o.Version}, {Name: "platform-model", Value: o.Model}, {Name: "priority", Value: m.priority()},
		{Name: "state", Value: state}, {Name: "version", Value: "1"}, {Name: "conn-status", Value: connection}, {Name: "mgmt-ip", Value: m.address() + "/24"},
	}
	answer.WriteFields(b, fields)
	fmt.Fprintf(b, "<conn-ha1><conn-status>%s</conn-status><conn-primary>yes</conn-primary>"+
		"<conn-desc>heartbeat status</conn-desc></conn-ha1>", connection)
	answer.WriteFields(b, append([]answer.Field{{Name: "state-duration", Value: m.seconds()}, {Name: "ha1-ipaddr", Value: m.address()}, {Name: "mgmt-ipv6", Value: ""}}, m.lastError()...))
	answer.WriteFields(b, []answer.Field{{Name: "preemptive", Value: "no"}, {Name: "mode", Value: "Active-Passive"}})
}

// address is one of documentation for each member: both listen on the same machine, which no pair does.
func (m *seat) address() string {
	if m == m.pair.members[0] {
		return "192.0.2.11"
	}
	return "192.0.2.12"
}

// suspend answers "request high-availability state suspend".
func (m *seat) suspend(answer.Request) answer.Answer {
	return m.request("suspended", (*HA).Suspend)
}

// resume answers "request high-availability state functional".
func (m *seat) resume(answer.Request) answer.Answer {
	return m.request("functional", (*HA).Resume)
}

// request changes the member's own state. The answer to "suspend" is recorded, that to "functional" is like it.
func (m *seat) request(what string, change func(*HA, *Sim) error) answer.Answer {
	if m == nil {
		return answer.Failure(0, "High-availability is not enabled")
	}
	if err := change(m.pair, m.sim); err != nil {
		return answer.Failure(0, err.Error())
	}
	return answer.Success("<result>Successfully changed HA state to " + what + "</result>")
}

// syncToPeer answers "request high-availability sync-to-remote running-config", which works also while synchronisation
// is switched off. Both texts are recorded, the code of the error is not.
func (m *seat) syncToPeer(answer.Request) answer.Answer {
	if m == nil {
		return answer.Failure(0, "High-availability is not enabled")
	}
	if m.pair.syncing() == SyncStuck {
		return answer.Failure(0, "HA synchronization is already in progress. running configuration will not be synchronized with HA peer")
	}
	if r := m.pair.syncConfig(m); !r.OK {
		return answer.Failure(0, r.Details[0])
	}
	return answer.Success("<result><msg><line>HA synchronization job has been queued on peer. Please check job status on peer.</line></msg></result>")
}
