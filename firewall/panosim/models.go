package panosim

// registeredLimits is how many addresses a model can have registered (PAN-OS 11.0, "Use Dynamic Address Groups in
// Policy"). A PA-VM shows no other name whatever its capacity; here it is the smallest of those with a number of its
// own, the VM-100.
var registeredLimits = map[string]int{
	"PA-VM": 2_500, "VM-50": 1_000, "VM-100": 2_500, "VM-300": 200_000, "VM-500": 300_000, "VM-700": 300_000,
	"PA-220": 1_000, "PA-410": 1_000, "PA-440": 50_000, "PA-450": 100_000, "PA-460": 100_000,
	"PA-820": 1_000, "PA-850": 2_500,
	"PA-3220": 200_000, "PA-3250": 200_000, "PA-3260": 200_000,
	"PA-3410": 150_000, "PA-3420": 150_000, "PA-3430": 200_000, "PA-3440": 200_000,
	"PA-5220": 500_000, "PA-5250": 500_000, "PA-5260": 500_000, "PA-5280": 500_000,
	"PA-5410": 500_000, "PA-5420": 500_000, "PA-5430": 500_000, "PA-5440": 500_000, "PA-5450": 100_000,
	"PA-7050": 100_000, "PA-7080": 100_000,
	"Panorama": 500_000, "M-200": 500_000, "M-300": 500_000, "M-500": 500_000, "M-600": 500_000, "M-700": 500_000,
}

// listLimits is how many entries the External Dynamic Lists of a model can have in all, where that is not 50,000
// ("PA-3200 Series, PA-5200 Series and PA-7000 Series: 150,000"). No source names newer models.
var listLimits = map[string]int{
	"PA-3220": 150_000, "PA-3250": 150_000, "PA-3260": 150_000,
	"PA-5220": 150_000, "PA-5250": 150_000, "PA-5260": 150_000, "PA-5280": 150_000,
	"PA-7050": 150_000, "PA-7080": 150_000,
}

// limits fills in what the model decides.
func (o *Options) limits() {
	if o.MaxRegistered == 0 {
		if o.MaxRegistered = registeredLimits[o.Model]; o.MaxRegistered == 0 {
			o.MaxRegistered = registeredLimits["PA-VM"]
		}
	}
	if o.MaxListEntries == 0 {
		if o.MaxListEntries = listLimits[o.Model]; o.MaxListEntries == 0 {
			o.MaxListEntries = defaultMaxListEntries
		}
	}
}
