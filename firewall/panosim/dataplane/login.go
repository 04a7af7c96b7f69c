package dataplane

import "activedefense/firewall/panosim/logs"

// Login logs an attempt to log in to the firewall, and gives the log lines that are to be sent.
func (d *Plane) Login(vsys string, l logs.Login) []logs.Line {
	name := d.o.Registry.Name(vsys)
	policy := d.o.Policies.Of(name)
	if policy == nil || !l.Client.IsValid() {
		return nil
	}
	now := d.o.Now()
	var lines []logs.Line
	for _, r := range l.Records(logs.Record{Device: d.o.Device, Dialect: *d.o.Dialect, VSys: name, Began: now, Time: now}) {
		d.logged++
		r.Seq = d.logged
		d.o.Keep(r)
		if severity, text := r.Text(); text != "" {
			d.o.Log(severity, r.Subtype, text)
		}
		lines = append(lines, logs.ForwardLogin(policy, r, d.o.HostName(), func(text string) { d.o.Log("high", "general", text) })...)
	}
	return lines
}
