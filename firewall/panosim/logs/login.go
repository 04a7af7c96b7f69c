package logs

import (
	"fmt"
	"net/netip"
	"strings"

	"activedefense/firewall/panosim/traffic"
)

// The types of log that hold logins.
const (
	GlobalProtect = "GLOBALPROTECT"
	SystemLog     = "SYSTEM"
)

// Login is an attempt to log in to the firewall itself.
type Login struct {
	// Event is that of the globalprotect log, such as "portal-auth" or "gateway-auth"; "": an administrator logs in.
	Event   string
	Client  netip.Addr
	User    string
	Country string
	Method  string // such as LDAP; only of GlobalProtect
	Reason  string // why it failed; "": a wrong password
	Failed  bool
}

// longestText is that of the description in a SYSTEM entry, in bytes: the rest is cut off.
const longestText = 512

const wrongPassword = "Invalid username/password"

// Records gives the entries that a firewall writes of a login: one of GLOBALPROTECT since PAN-OS 9.1, and one of SYSTEM, each
// like base but for what it is about.
func (l Login) Records(base Record) []*Record {
	if l.Reason == "" {
		l.Reason = wrongPassword
	}
	status := "success"
	if l.Failed {
		status = "failure"
	}
	base.Packet, base.Login, base.Action = &traffic.Packet{Source: l.Client, User: l.User, SourceCountry: l.Country}, &l, status
	own := base.Device.Release.AtLeast(9, 1)
	var out []*Record
	if l.Event != "" && own {
		r := base
		r.Log, r.Subtype, r.event = GlobalProtect, "0", l.Event
		if l.Failed {
			r.text = "Authentication failed: " + l.Reason
		}
		out = append(out, &r)
	}
	r := base
	r.Log = SystemLog
	r.Subtype, r.event, r.severity, r.text = l.system(own)
	r.text = r.text[:min(len(r.text), longestText)]
	return append(out, &r)
}

// system gives what a SYSTEM entry says; own is whether GlobalProtect has a log of its own.
func (l Login) system(own bool) (subtype, event, severity, text string) {
	if l.Event != "" && !own {
		where, _, _ := strings.Cut(l.Event, "-")
		if !l.Failed {
			return "globalprotect", "globalprotect" + where + "-auth-succ", "informational",
				fmt.Sprintf("GlobalProtect %s user authentication succeeded. Login from: %s, User name: %s, Auth type: profile.", where, l.Client, l.User)
		}
		return "globalprotect", "globalprotect" + where + "-auth-fail", "informational",
			fmt.Sprintf("GlobalProtect %s user authentication failed. Login from: %s, User name: %s, Reason: Authentication failed: %s , Auth type: profile.", where, l.Client, l.User, l.Reason)
	}
	const details = "auth profile 'lab', vsys 'vsys1', server profile 'lab', server address '192.0.2.10', auth protocol 'PAP', From: "
	if l.Failed {
		return "auth", "auth-fail", "medium", fmt.Sprintf("failed authentication for user '%s'. Reason: %s. %s%s.", l.User, l.Reason, details, l.Client)
	}
	return "auth", "auth-success", "informational", fmt.Sprintf("authenticated for user '%s'.   %s%s.", l.User, details, l.Client)
}

// Text is what a SYSTEM entry says of a login, and how severe it is; "" for other entries.
func (r *Record) Text() (severity, text string) {
	if r.Log != SystemLog {
		return "", ""
	}
	return r.severity, r.text
}

// The fields of the default format ("GlobalProtect Log Fields", "System Log Fields"), as far as lines of real devices show
// their places.
var (
	globalProtectFields = strings.Fields(`1 receive_time serial type subtype config_ver time_generated vsys eventid stage auth_method tunnel_type srcuser
		srcregion machinename public_ip public_ipv6 private_ip private_ipv6 hostid serialnumber client_ver client_os client_os_ver repeatcnt reason error
		opaque status location login_duration connect_method error_code portal seqno actionflags high_res_timestamp selection_type response_time priority
		attempted_gateways gateway dg_hier_1 dg_hier_2 dg_hier_3 dg_hier_4 vsys_name device_name vsys_id cluster_name -`)
	systemFields = strings.Fields(`1 receive_time serial type subtype config_ver time_generated vsys eventid object - - module severity opaque seqno
		actionflags dg_hier_1 dg_hier_2 dg_hier_3 dg_hier_4 vsys_name device_name - - high_res_timestamp`)
)

// loginFields gives those of a login's log that this version sends.
func (r *Record) loginFields() []string {
	v := r.Device.Release
	switch {
	case r.Log == SystemLog && v.AtLeast(10, 0):
		return systemFields
	case r.Log == SystemLog:
		return systemFields[:23]
	case v.AtLeast(11, 2):
		return globalProtectFields
	case v.AtLeast(10, 1):
		return globalProtectFields[:49]
	case v.AtLeast(10, 0):
		return globalProtectFields[:42]
	}
	return globalProtectFields[:36]
}

// ofEveryLog are the variables that logs of logins share with the others.
var ofEveryLog = strings.Fields(`receive_time time_generated high_res_timestamp cef-formatted-receive_time cef-formatted-time_generated serial device_name
	sender_sw_version config_ver vsys vsys_name type subtype seqno actionflags repeatcnt dg_hier_1 dg_hier_2 dg_hier_3 dg_hier_4`)

// loginVariables are those that the logs of logins have of their own.
var loginVariables = map[string]map[string]func(*Record) string{
	GlobalProtect: {
		"eventid": func(r *Record) string { return r.event }, "status": func(r *Record) string { return r.Action }, "stage": func(*Record) string { return "login" },
		"auth_method": func(r *Record) string { return r.Login.Method }, "srcuser": func(r *Record) string { return r.Login.User },
		"srcregion": func(r *Record) string { return r.Login.Country }, "public_ip": func(r *Record) string { return familyOf(r.Login.Client, true) },
		"public_ipv6": func(r *Record) string { return familyOf(r.Login.Client, false) }, "private_ip": unset, "private_ipv6": unset,
		"opaque": func(r *Record) string { return r.text }, "error_code": zero, "login_duration": zero, "portal": func(*Record) string { return "GP-LAB" },
		"vsys_id": func(*Record) string { return "1" },
		"reason":  none, "error": none, "machinename": none, "tunnel_type": none, "hostid": none, "serialnumber": none, "client_ver": none, "client_os": none,
		"client_os_ver": none, "location": none, "connect_method": none, "selection_type": none, "response_time": none, "priority": none,
		"attempted_gateways": none, "gateway": none, "cluster_name": none,
	},
	SystemLog: {
		"eventid": func(r *Record) string { return r.event }, "severity": func(r *Record) string { return r.severity }, "opaque": func(r *Record) string { return r.text },
		"object": func(*Record) string { return "lab" }, "module": func(*Record) string { return "general" },
	},
}

func none(*Record) string  { return "" }
func unset(*Record) string { return "0.0.0.0" }

// familyOf writes an address in the column of its family; 0.0.0.0 stands in the other one.
func familyOf(a netip.Addr, v4 bool) string {
	if a.Is4() == v4 {
		return a.String()
	}
	return "0.0.0.0"
}

// loginVariable is variable for an entry of a login.
func (r *Record) loginVariable(name string) (string, bool) {
	if f, ok := loginVariables[r.Log][name]; ok {
		return f(r), true
	}
	for _, shared := range ofEveryLog {
		if shared == name {
			return variables[name](r), true
		}
	}
	return "", false
}
