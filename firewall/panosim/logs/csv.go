package logs

import (
	"strconv"
	"strings"

	"activedefense/firewall/panosim/answer"
)

// The fields of the default format in their order, named as the variables of custom formats; "-" is one that is
// reserved or that the simulated firewall has nothing to say about. Both tables are those of the documentation
// ("Traffic Log Fields", "Threat Log Fields") as far as the position of each field could be checked against lines
// of real devices.
var (
	commonFields = strings.Fields(`1 receive_time serial type subtype config_ver time_generated src dst natsrc natdst
		rule srcuser dstuser app vsys from to inbound_if outbound_if logset receive_time sessionid repeatcnt
		sport dport natsport natdport flags proto action`)
	trafficFields = append(commonFields[:len(commonFields):len(commonFields)], strings.Fields(`bytes bytes_sent
		bytes_received packets start elapsed category - seqno actionflags srcloc dstloc - pkts_sent pkts_received
		session_end_reason dg_hier_1 dg_hier_2 dg_hier_3 dg_hier_4 vsys_name device_name action_source
		- - - - - - - - - - - rule_uuid - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - -
		high_res_timestamp - - - - - - - - - - - - - - - - - -`)...)
	threatFields = append(commonFields[:len(commonFields):len(commonFields)], strings.Fields(`misc csv-threatid category
		severity direction seqno actionflags srcloc dstloc - - - - - - - - - - - - - -
		dg_hier_1 dg_hier_2 dg_hier_3 dg_hier_4 vsys_name device_name - - - - - - - - - thr_category contentver
		- - - - - rule_uuid - - - - - - - - - - - - - - - - - - - - - - - - - - - - - -
		high_res_timestamp - - - - - - - - - - - - - - -`)...)
)

// columns is how many fields each version sends, newest first, from lines of real devices.
var columns = []struct{ major, minor, traffic, threat int }{
	{11, 0, 121, 123},
	{10, 1, 115, 120},
	{10, 0, 105, 120},
	{9, 1, 75, 79},
	{9, 0, 67, 78},
	{8, 1, 65, 75},
	{8, 0, 61, 72},
	{7, 1, 54, 61},
	{6, 1, 47, 45},
	{0, 0, 46, 45},
}

// csv writes the record as firewalls do whose server profile has no custom format.
func (r *Record) csv() string {
	fields := r.fields()
	var b strings.Builder
	for i, name := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		switch name {
		case "-":
		case "1":
			b.WriteByte('1')
		case "misc":
			// "Always enclosed in double quotes for backward compatibility."
			b.WriteString(`""`)
		case "csv-threatid":
			writeField(&b, r.Packet.Threat.Full())
		default:
			// Every name of the tables is a variable; a test holds that.
			value, _ := r.variable(name)
			writeField(&b, value)
		}
	}
	return b.String()
}

// Fields gives what the firewall keeps of the entry, by the names that logs have over the API: those of the variables, but for
// the device groups, and the number of a threat beside its name.
func (r *Record) Fields() []answer.Field {
	var out []answer.Field
	written := map[string]bool{"-": true, "1": true}
	for _, name := range r.fields() {
		if written[name] {
			continue
		}
		written[name] = true
		if name == "csv-threatid" {
			t := r.Packet.Threat
			out = append(out, answer.Field{Name: "threatid", Value: t.Name}, answer.Field{Name: "tid", Value: strconv.Itoa(t.ID)})
			continue
		}
		value, _ := r.variable(name)
		out = append(out, answer.Field{Name: strings.Replace(name, "dg_hier_", "dg_hier_level_", 1), Value: value})
	}
	return out
}

// fields gives those that this version sends.
func (r *Record) fields() []string {
	if r.Login != nil {
		return r.loginFields()
	}
	fields := trafficFields
	if r.Log == Threat {
		fields = threatFields
	}
	for _, c := range columns {
		if r.Device.Release.AtLeast(c.major, c.minor) {
			n := c.traffic
			if r.Log == Threat {
				n = c.threat
			}
			return fields[:n]
		}
	}
	return fields
}

// writeField quotes a value that holds a comma or a quote, and doubles quotes in it.
func writeField(b *strings.Builder, value string) {
	if !strings.ContainsAny(value, `,"`) {
		b.WriteString(value)
		return
	}
	b.WriteByte('"')
	b.WriteString(strings.ReplaceAll(value, `"`, `""`))
	b.WriteByte('"')
}
