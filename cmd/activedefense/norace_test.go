//go:build !race

package main

const raceEnabled = false

func scaled(lines int) int { return lines }
