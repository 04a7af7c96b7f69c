package config

import (
	"path/filepath"
	"strings"
)

// labels reads the files of labelled addresses.
func labels(s section, key string) []Label {
	sections := s.elements(key)
	if len(sections) > maxLabels {
		s.fault(key, "has %d entries; use at most %d, and put the addresses of one label into one file", len(sections), maxLabels)
		return nil
	}
	var labels []Label
	files := make(map[string]string, len(sections))
	for _, e := range sections {
		l := Label{File: e.filled("file", "the path of a list, such as /etc/activedefense/scanners.txt"), Mode: e.oneOf("mode", labelModes)}
		if e.filled("label", "what the addresses are called, such as \"known scanner\"") != "" {
			l.Label = e.printable("label", 63)
		}
		switch l.File = filepath.Clean(l.File); {
		case e.l.faulted[e.at+"file"]:
		case strings.ContainsRune(l.File, 0) || !filepath.IsAbs(l.File):
			e.fault("file", "%q is not an absolute path; use one such as /etc/activedefense/scanners.txt", clip(l.File))
		case files[l.File] != "":
			e.fault("file", "is also %s; a file can have only one label", files[l.File])
		default:
			files[l.File] = e.at + "file"
		}
		labels = append(labels, l)
	}
	return labels
}
