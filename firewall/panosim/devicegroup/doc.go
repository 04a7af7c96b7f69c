// Package devicegroup is what Panorama pushes: device groups with what they inherit from the groups above them, prepared for
// one firewall, templates, and what a firewall keeps of them.
//
// It does not push: it knows neither Panoramas nor connections. Of templates the variables are not simulated, nor that a stack holds
// settings of its own.
package devicegroup
