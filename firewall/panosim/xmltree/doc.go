// Package xmltree holds the XML of commands and configurations: elements, a tree of them that can be edited while earlier
// states of it are read, and the part of XPath that names places in it.
//
// It does not know what the elements mean: neither what may stand where, nor who may change it, nor any answer of a
// firewall. Namespaces, comments and processing instructions are passed over.
package xmltree
