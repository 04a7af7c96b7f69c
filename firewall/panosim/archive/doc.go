// Package archive is what a firewall keeps of its own logs, and what it answers from them: queries (type=log) and reports
// (type=report), each a job of its own numbers. Which named reports there are is data, reports.txt.
//
// It sends nothing anywhere and knows no policy. The caller of every method holds the lock of the firewall.
package archive
