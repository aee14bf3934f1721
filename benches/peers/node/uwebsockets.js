// A peer of `compare`: rooms on uWebSockets, which Bun carries as its WebSocket server.
//
// A client's first message is a room's number in four bytes; once it listens there it is sent those bytes again.
// Every later message is published to that room as it is: to everyone in it but the speaker.
// Start it by Bun, with the port to listen on.

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request, server) {
    return server.upgrade(request, { data: { room: "" } })
      ? undefined
      : new Response("a WebSocket, please", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    // The load generator answers no pings, so none fall due while it measures.
    idleTimeout: 960,
    sendPings: false,
    backpressureLimit: 64 << 20,
    message(socket, message) {
      if (socket.data.room !== "") {
        socket.publish(socket.data.room, message);
        return;
      }
      socket.data.room = message.toString("hex");
      socket.subscribe(socket.data.room);
      socket.send(message);
    },
  },
});
