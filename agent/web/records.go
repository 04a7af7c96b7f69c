package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"activedefense/agent/api"
)

// A field is one of the search for records.
type field struct {
	Name, Label, Example, Value string
	Choices                     []string // nil: any text
}

// fields are those of the search: the first are always shown.
var fields = []field{
	{Name: "since", Label: "Since", Example: "24h, 7d, 2026-01-31 14:00"},
	{Name: "until", Label: "Until", Example: "1h, 2026-01-31 15:00"},
	{Name: "src", Label: "Source", Example: "203.0.113.0/24"},
	{Name: "src_port", Label: "Source port", Example: "1024-65535"},
	{Name: "dst", Label: "Destination", Example: "198.51.100.7"},
	{Name: "dst_port", Label: "Destination port", Example: "22, 8000-8003"},
	{Name: "user", Label: "User", Example: "svc-*"},
	{Name: "action", Label: "Action", Example: "deny, drop"},
	{Name: "severity", Label: "Severity", Choices: []string{"critical", "high", "medium", "low", "informational"}},
	{Name: "device", Label: "Firewall", Example: "LAB-FW-01"},
	{Name: "type", Label: "Type", Choices: []string{"traffic", "threat", "globalprotect", "system", "log"}},
	{Name: "subtype", Label: "Subtype", Example: "vulnerability"},
	{Name: "rule", Label: "Firewall's rule", Example: "internet-in"},
	{Name: "threat_id", Label: "Threat id", Example: "40017"},
	{Name: "application", Label: "Application", Example: "ssl"},
	{Name: "zone", Label: "Zone", Example: "internet"},
	{Name: "src_country", Label: "Source country", Example: "Netherlands"},
	{Name: "dst_country", Label: "Destination country", Example: "Australia"},
	{Name: "end_reason", Label: "Session end reason", Example: "policy-deny"},
	{Name: "outcome", Label: "Outcome", Choices: []string{"refused", "answered", "late-answer"}},
	{Name: "grade", Label: "Grade", Choices: []string{"proven", "forgeable"}},
	{Name: "file", Label: "Log file", Example: "*LAB-FW-01*"},
}

// alwaysShown is how many of the fields are; the others are behind a fold.
const alwaysShown = 8

// single are the fields that hold one value: a comma in it is no more than that.
var single = map[string]bool{"since": true, "until": true}

// recordList is what the search for records shows.
type recordList struct {
	Fields, More []field
	MoreAsked    bool // one of More is filled in
	Searched     bool
	Records      []row
	Rest         api.Searched
	Paging       *paging
}

// A row is one record, with the address of its page.
type row struct {
	api.Record
	Page string
}

// searchWithin bounds a search: nobody waits longer for a page.
const searchWithin = "20s"

func (p *Pages) recordSearch(v *visit) error {
	out := &recordList{Paging: v.pagingOf()}
	query, asked := url.Values{"within": {searchWithin}}, false
	for i, f := range fields {
		f.Value = strings.TrimSpace(v.form.Get(f.Name))
		if f.Name == "since" && f.Value == "" {
			f.Value = api.DefaultSince
		}
		if i < alwaysShown {
			out.Fields = append(out.Fields, f)
		} else {
			out.More = append(out.More, f)
			out.MoreAsked = out.MoreAsked || f.Value != ""
		}
		asked = asked || v.form.Has(f.Name)
		for _, value := range valuesOf(&f) {
			query.Add(f.Name, value)
		}
	}
	if asked {
		records, rest, err := v.records(out.Paging.ask(query))
		if err != nil {
			return err
		}
		out.Searched, out.Rest = true, rest
		for _, r := range cut(out.Paging, records) {
			out.Records = append(out.Records, row{r, pageOfRecord(&r)})
		}
	}
	p.show(v, http.StatusOK, "records", "Records", out)
	return nil
}

// valuesOf are the values of a field: several are apart by commas.
func valuesOf(f *field) (values []string) {
	if single[f.Name] {
		return []string{f.Value}
	}
	for value := range strings.SplitSeq(f.Value, ",") {
		if value = strings.TrimSpace(value); value != "" {
			values = append(values, value)
		}
	}
	return values
}

// pageOfRecord is the page of a record: records have no number, and are known by when, where and between whom.
func pageOfRecord(r *api.Record) string {
	query := url.Values{"time": {r.Time.UTC().Format(time.RFC3339Nano)}, "src_port": {strconv.Itoa(int(r.SrcPort))}, "dst_port": {strconv.Itoa(int(r.DstPort))}}
	for name, value := range map[string]string{"src": r.Src, "dst": r.Dst, "device": r.Device} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return "/ui/record?" + query.Encode()
}

// A part is one field of a record, as its page shows it.
type part struct{ Name, Value string }

// partsOf are all fields of a record.
func partsOf(r *api.Record) []part {
	return []part{
		{"Source country", r.SrcCountry}, {"User", r.SrcUser}, {"Destination country", r.DstCountry}, {"Type", r.Type}, {"Subtype", r.Subtype},
		{"Action", r.Action}, {"Outcome", r.Outcome}, {"Grade", r.Grade}, {"Session end reason", r.SessionEndReason}, {"Application", r.Application},
		{"From zone", r.FromZone}, {"To zone", r.ToZone}, {"Firewall's rule", r.Rule}, {"Rule id", r.RuleID}, {"Threat", r.ThreatName}, {"Threat id", r.ThreatID},
		{"Severity", r.Severity}, {"Firewall", r.Device}, {"Log file", r.File},
	}
}

// A whole record is one with all its fields.
type whole struct {
	api.Record
	Parts []part
}

// record shows a record, and others of the same moment between the same ends, if there are.
func (p *Pages) record(v *visit) error {
	at, err := time.Parse(time.RFC3339Nano, v.form.Get("time"))
	if err != nil {
		return api.Usagef("the address of the page names no record")
	}
	query := url.Values{"since": {at.Format(time.RFC3339Nano)}, "until": {at.Add(time.Microsecond).Format(time.RFC3339Nano)}, "limit": {"20"}, "within": {searchWithin}}
	for _, name := range []string{"src", "dst", "src_port", "dst_port", "device"} {
		if value := v.form.Get(name); value != "" {
			query.Set(name, value)
		}
	}
	records, _, err := v.records(query)
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return &api.Fault{Status: http.StatusNotFound, Detail: "There is no such record, or none any more: records are kept for a time (store.keep_records)."}
	}
	var out []whole
	for i := range records {
		out = append(out, whole{records[i], partsOf(&records[i])})
	}
	p.show(v, http.StatusOK, "record", "Record", out)
	return nil
}
