module desync

go 1.19
