// Package devicegroup is what Panorama pushes: device groups with what they inherit from the groups above them, prepared for
// one firewall, and what a firewall keeps of them.
//
// It does not push: it knows neither Panoramas nor connections. Templates are not simulated.
package devicegroup
