package schema

import (
	"maps"
	"slices"
)

// The kinds of objects to which others refer.
const (
	kindAddress      = "address"
	kindAddressGroup = "address-group"
	kindList         = "external-list"
	kindTag          = "tag"
	kindZone         = "zone"
	kindSyslog       = "syslog"
	kindForwarding   = "log-forwarding"
	kindCertificate  = "certificate"
	kindCertProfile  = "certificate-profile"
	kindService      = "service"
	kindServiceGroup = "service-group"
	kindProfileGroup = "profile-group"
)

// Longest names, of the PAN-OS documentation where it says so.
const (
	longName = 63  // of objects and, from PAN-OS 8.1, rules
	zoneName = 31  // of zones
	tagName  = 127 // of tags
)

// Firewall is that of <config>.
var Firewall = groupSchema(fields{
	"config": openSchema(fields{
		"shared": openSchema(sharedFields()),
		"devices": tableSchema("", longName, openSchema(fields{
			"vsys":         tableSchema("", longName, openSchema(vsysFields())),
			"device-group": tableSchema("", longName, openSchema(groupFields())),
		})),
	}),
}).finish()

// sharedFields lists what /config/shared holds: objects, and what belongs to the device.
func sharedFields() fields {
	out := groupFields()
	out["certificate"] = tableSchema(kindCertificate, longName, anySchema())
	for _, log := range []string{"system", "config", "userid", "globalprotect", "hipmatch", "iptag", "correlation"} {
		out["log-settings"].children[log] = groupSchema(fields{"match-list": tableSchema("", longName, deviceMatchSchema())})
	}
	return out
}

// deviceMatchSchema is that of a match list for logs that no rule and no zone forwards.
func deviceMatchSchema() *Schema {
	return groupSchema(fields{
		"action-desc": textSchema(), "filter": textSchema(), "send-to-panorama": checkedSchema(yesOrNo), "quarantine": checkedSchema(yesOrNo),
		"send-syslog": listSchema().refersTo(nil, kindSyslog), "send-snmptrap": listSchema(), "send-email": listSchema(), "send-http": listSchema(),
		"actions": anySchema(),
	})
}

// groupFields lists what a device group of Panorama holds, and what Panorama has beside objects in /config/shared.
// The zones of its rules are those of the firewalls, which it does not know.
func groupFields() fields {
	out := objectFields()
	for _, base := range []string{"pre-rulebase", "post-rulebase"} {
		out[base] = openSchema(fields{"security": openSchema(fields{
			"rules": tableSchema("", longName, securityRuleSchema(listSchema)),
		})})
	}
	return out
}

// vsysFields lists what a virtual system holds.
func vsysFields() fields {
	out := objectFields()
	out["certificate"] = tableSchema(kindCertificate, longName, anySchema())
	out["zone"] = tableSchema(kindZone, zoneName, openSchema(fields{
		"network": openSchema(fields{"log-setting": textSchema().refersTo(nil, kindForwarding)}),
	}))
	out["rulebase"] = openSchema(fields{"security": openSchema(fields{"rules": tableSchema("", longName, securityRuleSchema(localZones))})})
	return out
}

// objectFields lists what stands both in /config/shared and in virtual systems.
func objectFields() fields {
	profiles := fields{}
	for _, name := range profileKinds {
		profiles[name] = tableSchema("profiles "+name, longName, anySchema())
	}
	return fields{
		"address":             tableSchema(kindAddress, longName, addressSchema()),
		"address-group":       tableSchema(kindAddressGroup, longName, addressGroupSchema()),
		"tag":                 tableSchema(kindTag, tagName, groupSchema(fields{"color": checkedSchema(validColor), "comments": textSchema()})),
		"external-list":       tableSchema(kindList, longName, externalListSchema()),
		"certificate-profile": tableSchema(kindCertProfile, longName, certificateProfileSchema()),
		"service":             tableSchema(kindService, longName, anySchema()),
		"service-group":       tableSchema(kindServiceGroup, longName, anySchema()),
		"profile-group":       tableSchema(kindProfileGroup, longName, anySchema()),
		"profiles":            openSchema(profiles),
		"log-settings": openSchema(fields{
			"syslog":   tableSchema(kindSyslog, longName, syslogProfileSchema()),
			"profiles": tableSchema(kindForwarding, longName, logForwardingSchema()),
		}),
	}
}

// profileKinds lists the security profiles that a rule names one by one.
var profileKinds = []string{
	"virus", "spyware", "vulnerability", "url-filtering", "file-blocking", "wildfire-analysis", "data-filtering",
}

func addressSchema() *Schema {
	s := groupSchema(fields{
		"ip-netmask": checkedSchema(validNetmask), "ip-range": checkedSchema(validRange), "fqdn": checkedSchema(validDomain), "ip-wildcard": textSchema(),
		"description": textSchema(), "tag": listSchema().refersTo(nil, kindTag), "disable-override": checkedSchema(yesOrNo),
	})
	s.Exclusive = []string{"ip-netmask", "ip-range", "fqdn", "ip-wildcard"}
	s.oneOf = s.Exclusive
	return s
}

func addressGroupSchema() *Schema {
	static := listSchema().refersTo(nil, kindAddress, kindAddressGroup)
	static.full = "Static Address Groups cannot be empty" // the text of a recorded refusal
	s := groupSchema(fields{
		"static":      static,
		"dynamic":     &Schema{children: fields{"filter": textSchema()}, required: []string{"filter"}},
		"description": textSchema(), "tag": listSchema().refersTo(nil, kindTag), "disable-override": checkedSchema(yesOrNo),
	})
	s.Exclusive = []string{"static", "dynamic"}
	s.oneOf = s.Exclusive
	return s
}

func externalListSchema() *Schema {
	fetched := func() *Schema {
		s := groupSchema(fields{
			"url": textSchema(), "description": textSchema(), "exception-list": listSchema(), "expand-domain": checkedSchema(yesOrNo),
			"certificate-profile": textSchema().refersTo(anyOf("None"), kindCertProfile),
			"auth":                groupSchema(fields{"username": textSchema(), "password": textSchema()}),
			"recurring": groupSchema(fields{
				"five-minute": anySchema(), "hourly": anySchema(),
				"daily":   groupSchema(fields{"at": textSchema()}),
				"weekly":  groupSchema(fields{"at": textSchema(), "day-of-week": textSchema()}),
				"monthly": groupSchema(fields{"at": textSchema(), "day-of-month": textSchema()}),
			}),
		})
		s.children["recurring"].Exclusive = []string{"five-minute", "hourly", "daily", "weekly", "monthly"}
		s.required = []string{"url", "recurring"}
		return s
	}
	kinds := groupSchema(fields{
		"ip": fetched(), "domain": fetched(), "url": fetched(), "imsi": fetched(), "imei": fetched(),
		"predefined-ip": anySchema(), "predefined-url": anySchema(),
	})
	kinds.Exclusive = slices.Sorted(maps.Keys(kinds.children))
	kinds.oneOf = kinds.Exclusive
	return &Schema{
		children: fields{"type": kinds, "disable-override": checkedSchema(yesOrNo)},
		required: []string{"type"},
	}
}

func certificateProfileSchema() *Schema {
	authorities := tableSchema("", longName, openSchema(fields{})).refersTo(nil, kindCertificate)
	return openSchema(fields{"CA": authorities})
}

func syslogProfileSchema() *Schema {
	server := groupSchema(fields{
		"server": textSchema(), "transport": checkedSchema(keyword("UDP", "TCP", "SSL")), "port": checkedSchema(validPort),
		"format": checkedSchema(keyword("BSD", "IETF")),
		"facility": checkedSchema(keyword("LOG_USER", "LOG_LOCAL0", "LOG_LOCAL1", "LOG_LOCAL2", "LOG_LOCAL3", "LOG_LOCAL4",
			"LOG_LOCAL5", "LOG_LOCAL6", "LOG_LOCAL7")),
	})
	server.required = []string{"server"}
	formats := fields{"escaping": groupSchema(fields{"escaped-characters": textSchema(), "escape-character": textSchema()})}
	for _, kind := range []string{
		"traffic", "threat", "url", "data", "wildfire", "tunnel", "auth", "userid", "iptag", "config", "system",
		"hip-match", "sctp", "gtp", "correlation", "decryption", "globalprotect",
	} {
		formats[kind] = checkedSchema(validLogFormat)
	}
	return groupSchema(fields{"server": tableSchema("", longName, server), "format": groupSchema(formats)})
}

func logForwardingSchema() *Schema {
	match := groupSchema(fields{
		"action-desc": textSchema(), "filter": textSchema(), "send-to-panorama": checkedSchema(yesOrNo), "quarantine": checkedSchema(yesOrNo),
		"log-type": checkedSchema(keyword("traffic", "threat", "wildfire", "url", "data", "gtp", "sctp", "tunnel", "auth",
			"decryption", "dns-security")),
		"send-syslog":   listSchema().refersTo(nil, kindSyslog),
		"send-snmptrap": listSchema(), "send-email": listSchema(), "send-http": listSchema(), "actions": anySchema(),
	})
	match.required = []string{"log-type"}
	return groupSchema(fields{
		"description": textSchema(), "enhanced-application-logging": checkedSchema(yesOrNo), "disable-override": checkedSchema(yesOrNo),
		"match-list": tableSchema("", longName, match),
	})
}

// localZones are the zones of a rule on a firewall.
func localZones() *Schema { return listSchema().refersTo(anyOf("any", "multicast"), kindZone) }

// securityRuleSchema is that of a rule; zones makes that of the zones it names.
func securityRuleSchema(zones func() *Schema) *Schema {
	ends := func() *Schema {
		return listSchema().refersTo(isLiteral, kindAddress, kindAddressGroup, kindList)
	}
	profiles := fields{}
	for _, name := range profileKinds {
		profiles[name] = listSchema().refersTo(anyOf("default", "strict"), "profiles "+name)
	}
	s := groupSchema(fields{
		"rule-type": checkedSchema(keyword("universal", "intrazone", "interzone")), "description": textSchema(),
		"tag": listSchema().refersTo(nil, kindTag), "group-tag": textSchema().refersTo(nil, kindTag),
		"from": zones(), "to": zones(), "source": ends(), "destination": ends(),
		"negate-source": checkedSchema(yesOrNo), "negate-destination": checkedSchema(yesOrNo),
		"source-user": listSchema(), "hip-profiles": listSchema(), "source-hip": listSchema(), "destination-hip": listSchema(),
		"application": listSchema(), "category": listSchema(),
		"service":     listSchema().refersTo(anyOf("any", "application-default", "service-http", "service-https"), kindService, kindServiceGroup),
		"action":      checkedSchema(keyword("allow", "deny", "drop", "reset-client", "reset-server", "reset-both")),
		"log-setting": textSchema().refersTo(nil, kindForwarding),
		"log-start":   checkedSchema(yesOrNo), "log-end": checkedSchema(yesOrNo), "disabled": checkedSchema(yesOrNo),
		"schedule": textSchema(), "icmp-unreachable": checkedSchema(yesOrNo), "disable-inspect": checkedSchema(yesOrNo),
		"option": anySchema(), "target": anySchema(), "qos": anySchema(), "saas-user-list": listSchema(), "saas-tenant-list": listSchema(),
		"profile-setting": groupSchema(fields{
			"group":    listSchema().refersTo(anyOf("default"), kindProfileGroup),
			"profiles": groupSchema(profiles),
		}),
	})
	s.Rule = true
	s.required = []string{"from", "to", "source", "destination", "application", "service", "action"}
	s.children["profile-setting"].Exclusive = []string{"group", "profiles"}
	return s
}
