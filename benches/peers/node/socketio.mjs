// A peer of `compare`: rooms on Socket.IO, as its own documentation makes them.
//
// `join` with a room's name answers when the client is in; `say` with that name and a text gives everyone in the
// room but the speaker an `m` with the text. Start it by Node, with the port to listen on.

import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  // The load generator answers no pings, so none fall due while it measures.
  pingInterval: 600_000,
});

io.on("connection", (socket) => {
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer();
  });
  socket.on("say", (room, text) => {
    socket.to(room).emit("m", text);
  });
});

http.listen(Number(process.argv[2]), "127.0.0.1");
