package enforce

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("activedefense_"+name, help, append([]string{"firewall"}, labels...), nil)
}

// The table of metrics that are read from Status.
var (
	descCapacity   = desc("firewall_capacity", "Addresses or list entries that the firewall holds, of all owners; absent where nobody says.")
	descCertEnds   = desc("firewall_certificate_expiry_timestamp_seconds", "When the certificate of the firewall's management interface expires, or the CA that it is trusted by; absent before it was seen.")
	descDesired    = desc("firewall_desired", "Addresses that should be on the firewall.")
	descFallback   = desc("firewall_fallback", "1 while the list is the fallback for what the mode cannot do.")
	descHeldBack   = desc("firewall_unenforced", "Changes not made on the firewall, in addresses, by reason: unsupported and refused are not blocked there, brake are and should not.", "why")
	descKeyEnds    = desc("firewall_key_expiry_timestamp_seconds", "When the firewall's API key expires at the latest; absent where that is not known, or it does not.")
	descLeftOut    = desc("firewall_left_out", "Blocked addresses for which the firewall has no room.")
	descListLines  = desc("firewall_list_not_taken", "List entries that the firewall does not accept, by reason: ignored, invalid.", "why")
	descMaintained = desc("firewall_maintenance", "1 for a firewall in maintenance, which is left alone and has none of the other metrics of firewalls.")
	descPlan       = desc("firewall_plan", "Changes of the last reconcile.", "change")
	descSeen       = desc("firewall_seen_timestamp_seconds", "When everything that the firewall holds was last read.")
	descStandby    = desc("firewall_standby", "1 for the passive member of an HA pair that does not accept tags.")
	descStrays     = desc("firewall_strays", "Addresses that the firewall holds under our tag or in our group, and this database never blocked.")
	descSuccess    = desc("firewall_last_success_timestamp_seconds", "When the firewall was last in sync.")
	descTags       = desc("firewall_tags", "Addresses of Active Defense that are on the firewall.")
	descUnseen     = desc("firewall_unseen", "Addresses written to the firewall and not read back yet.")
	descUp         = desc("firewall_up", "1 when the firewall answers and the last reconcile succeeded, or it is on standby; absent before its first answer.")
	descUsed       = desc("firewall_capacity_used", "How many of them are used, as far as is known.")
	descWaiting    = desc("firewall_waiting_seconds", "Seconds until pending changes are committed or refreshed.")
)

// Collect sends the metrics of a firewall.
func (f *Status) Collect(gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	gauge(descMaintained, oneIf(f.State == StateMaintenance), f.Name)
	if f.State == StateMaintenance {
		return
	}
	if f.State != StateUnknown {
		gauge(descUp, oneIf(f.Up), f.Name)
	}
	gauge(descTags, float64(f.Tags), f.Name)
	gauge(descDesired, float64(f.Desired), f.Name)
	gauge(descPlan, float64(f.PlanAdd), f.Name, "add")
	gauge(descPlan, float64(f.PlanRemove), f.Name, "remove")
	gauge(descLeftOut, float64(f.LeftOut), f.Name)
	gauge(descStrays, float64(f.Strays), f.Name)
	gauge(descUnseen, float64(f.Unseen), f.Name)
	if f.Capacity > 0 {
		gauge(descCapacity, float64(f.Capacity), f.Name)
		gauge(descUsed, float64(f.CapacityUsed), f.Name)
	}
	if f.SeenAt != nil {
		gauge(descSeen, seconds(*f.SeenAt), f.Name)
	}
	gauge(descHeldBack, float64(f.UnsupportedCount), f.Name, "unsupported")
	gauge(descHeldBack, float64(f.RefusedCount), f.Name, "refused")
	gauge(descHeldBack, float64(f.Braked), f.Name, "brake")
	gauge(descListLines, float64(f.ListIgnored), f.Name, "ignored")
	gauge(descListLines, float64(f.ListInvalid), f.Name, "invalid")
	gauge(descStandby, oneIf(f.Standby), f.Name)
	gauge(descWaiting, f.Waiting, f.Name)
	gauge(descFallback, oneIf(f.Fallback), f.Name)
	for _, a := range f.Access {
		if a.KeyEnds != nil {
			gauge(descKeyEnds, seconds(*a.KeyEnds), a.Firewall)
		}
		if a.CertificateEnds != nil {
			gauge(descCertEnds, seconds(*a.CertificateEnds), a.Firewall)
		}
	}
	if f.LastSuccess != nil {
		gauge(descSuccess, seconds(*f.LastSuccess), f.Name)
	}
}

// seconds is a time as Prometheus has it, since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
