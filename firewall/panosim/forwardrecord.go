package panosim

import (
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/dialect"
)

// Device is what a log line says of the firewall that wrote it.
type Device struct {
	Serial, Hostname string
	Version          string // of PAN-OS, with its hotfix
	Release          dialect.Version
}

// record is one TRAFFIC or THREAT log entry, before it takes the form that a syslog server wants.
type record struct {
	device  Device
	dialect dialect.Dialect

	packet     *Packet
	log        string // TRAFFIC or THREAT
	subtype    string // start, end, drop, deny; vulnerability
	action     string
	vsys       string
	rule, uuid string
	setting    string // the log forwarding profile
	app        string
	session    uint32 // 0: none was made
	seq        uint64
	reason     string // why the session ended; "" while it goes on

	began, time time.Time
}

// The two types of log.
const (
	traffic = "TRAFFIC"
	threat  = "THREAT"
)

// The zone is written although it is always UTC.
const cefTime = "Jan 02 2006 15:04:05 GMT"

const preciseTime = "2006-01-02T15:04:05.000Z07:00"

// variables gives the value of each variable of the custom log formats that both types of log have. Their names
// are those of the documented field tables; the CSV form uses the same.
var variables = map[string]func(*record) string{
	"receive_time":       func(r *record) string { return r.time.Format(dialect.LocalTime) },
	"time_generated":     func(r *record) string { return r.time.Format(dialect.LocalTime) },
	"time_received":      (*record).timeReceived,
	"start":              func(r *record) string { return r.began.Format(dialect.LocalTime) },
	"high_res_timestamp": func(r *record) string { return r.time.Format(preciseTime) },

	"cef-formatted-receive_time":   func(r *record) string { return r.time.UTC().Format(cefTime) },
	"cef-formatted-time_generated": func(r *record) string { return r.time.UTC().Format(cefTime) },

	"serial":            func(r *record) string { return r.device.Serial },
	"device_name":       func(r *record) string { return r.device.Hostname },
	"sender_sw_version": func(r *record) string { return r.device.Version },
	"config_ver":        func(r *record) string { return strconv.Itoa(r.device.Release.Major<<8 | r.device.Release.Minor) },
	"vsys":              func(r *record) string { return r.vsys },
	"vsys_name":         func(*record) string { return "" },

	"type":        func(r *record) string { return r.log },
	"subtype":     func(r *record) string { return r.subtype },
	"action":      func(r *record) string { return r.action },
	"rule":        func(r *record) string { return r.rule },
	"rule_uuid":   func(r *record) string { return r.uuid },
	"logset":      func(r *record) string { return r.setting },
	"app":         func(r *record) string { return r.app },
	"sessionid":   func(r *record) string { return strconv.FormatUint(uint64(r.session), 10) },
	"seqno":       func(r *record) string { return strconv.FormatUint(r.seq, 10) },
	"actionflags": zeroBits,
	"flags":       zeroBits,
	"repeatcnt":   func(*record) string { return "1" },
	"category":    func(*record) string { return "any" },
	"natsrc":      func(*record) string { return "0.0.0.0" },
	"natdst":      func(*record) string { return "0.0.0.0" },
	"natsport":    zero,
	"natdport":    zero,
	"src":         func(r *record) string { return r.packet.Source.String() },
	"dst":         func(r *record) string { return r.packet.Destination.String() },
	"sport":       func(r *record) string { return strconv.Itoa(int(r.packet.SourcePort)) },
	"dport":       func(r *record) string { return strconv.Itoa(int(r.packet.DestinationPort)) },
	"proto":       func(r *record) string { return r.packet.Protocol },
	"srcuser":     func(r *record) string { return r.packet.User },
	"dstuser":     func(*record) string { return "" },
	"from":        func(r *record) string { return r.packet.From },
	"to":          func(r *record) string { return r.packet.To },
	"srcloc":      func(r *record) string { return r.packet.SourceCountry },
	"dstloc":      func(r *record) string { return r.packet.DestinationCountry },
	"inbound_if":  func(*record) string { return "ethernet1/1" },
	"outbound_if": (*record).outbound,
	"dg_hier_1":   zero,
	"dg_hier_2":   zero,
	"dg_hier_3":   zero,
	"dg_hier_4":   zero,
}

// trafficVariables gives those of TRAFFIC logs alone.
var trafficVariables = map[string]func(*record) string{
	"bytes":              func(*record) string { return "60" },
	"bytes_sent":         func(*record) string { return "60" },
	"bytes_received":     zero,
	"packets":            func(*record) string { return "1" },
	"pkts_sent":          func(*record) string { return "1" },
	"pkts_received":      zero,
	"elapsed":            func(r *record) string { return strconv.Itoa(int(r.time.Sub(r.began) / time.Second)) },
	"session_end_reason": func(r *record) string { return r.reason },
	"action_source":      func(*record) string { return "from-policy" },
}

// threatVariables gives those of THREAT logs alone. A packet with such a log has a threat.
var threatVariables = map[string]func(*record) string{
	"severity":           func(r *record) string { return r.packet.Threat.Severity },
	"number-of-severity": func(r *record) string { return strconv.Itoa(severityNumber(r.packet.Threat.Severity)) },
	"threatid":           (*record).threatID,
	"threat_name":        (*record).threatName,
	"name-of-threatid":   func(r *record) string { return r.packet.Threat.Name },
	"misc":               func(*record) string { return "" },
	"direction":          (*record).direction,
	"thr_category":       func(*record) string { return "code-execution" },
	"contentver":         func(*record) string { return "AppThreat-8700-8709" },
}

func zero(*record) string     { return "0" }
func zeroBits(*record) string { return "0x0" }

// own gives the variables that this type of log has beside those of every type.
func (r *record) own() map[string]func(*record) string {
	if r.log == threat {
		return threatVariables
	}
	return trafficVariables
}

// variable gives what stands in a log line for $name; false: PAN-OS knows no such variable.
func (r *record) variable(name string) (string, bool) {
	if f, ok := variables[name]; ok {
		return f(r), true
	}
	if f, ok := r.own()[name]; ok {
		return f(r), true
	}
	_, inTraffic := trafficVariables[name]
	_, inThreat := threatVariables[name]
	return "", (inTraffic || inThreat) && r.dialect.Foreign == dialect.ForeignEmpty
}

func (r *record) timeReceived() string {
	switch r.dialect.TimeReceived {
	case dialect.TimeReceivedEmpty:
		return ""
	case dialect.TimeReceivedLiteral:
		return "$time_received"
	case dialect.TimeReceivedRFC3339:
		return r.time.Format(preciseTime)
	}
	return r.time.Format(dialect.LocalTime)
}

// outbound is empty for what never left the firewall.
func (r *record) outbound() string {
	if r.session == 0 {
		return ""
	}
	return "ethernet1/2"
}

func (r *record) threatID() string {
	if r.dialect.ThreatFields == dialect.ThreatFieldsSplit {
		return strconv.Itoa(r.packet.Threat.ID)
	}
	return r.packet.Threat.full()
}

func (r *record) threatName() string {
	if r.dialect.ThreatFields == dialect.ThreatFieldsSplit {
		return r.packet.Threat.Name
	}
	return r.packet.Threat.full()
}

func (r *record) direction() string {
	if r.packet.Threat.FromServer {
		return "server-to-client"
	}
	return "client-to-server"
}

// severities in rising order; the place of each plus one is its number in CEF.
var severities = []string{"informational", "low", "medium", "high", "critical"}

// severityNumber is 1 for informational to 5 for critical, 0 for anything else.
func severityNumber(name string) int {
	for i, s := range severities {
		if strings.EqualFold(s, name) {
			return i + 1
		}
	}
	return 0
}

// priority is the syslog severity: 6 (info) for traffic, 2 (critical) to 5 (notice) for threats, as recorded in
// lines with <10> to <14>.
func (r *record) priority() int {
	if r.log == traffic {
		return 6
	}
	return 7 - max(1, severityNumber(r.packet.Threat.Severity))
}
