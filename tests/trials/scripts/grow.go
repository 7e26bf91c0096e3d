// Keeps what it allocates in a map, or in goroutines that wait for ever, or keeps nothing: grow map|goroutines|work.
package main

import (
	"os"
	"time"
)

var kept = map[int][]byte{}

func wait(never chan int) {
	var room [4000]byte
	room[0] = byte(<-never)
	_ = room
}

func main() {
	never := make(chan int)
	for n := 0; ; n++ {
		for i := 0; i < 40; i++ {
			switch os.Args[1] {
			case "map":
				kept[n*40+i] = make([]byte, 5000)
			case "goroutines":
				go wait(never)
			default:
				kept[i] = make([]byte, 5000)
			}
		}
		time.Sleep(500 * time.Millisecond)
	}
}
